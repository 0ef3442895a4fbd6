"""The browser runs a model by what the app serves, in a worker, as a page would."""

import base64
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import onnx
import pytest
from onnx import TensorProto, helper
from playwright.sync_api import Page

from pages.app import browser_packages
from tests import optional
from tests.browser import started

RUN = """([address, model]) => new Promise((resolve) => {
  const code = `import * as ort from "${address}";
    onmessage = async (event) => {
      ort.env.wasm.numThreads = 1;
      const session = await ort.InferenceSession.create(event.data, { executionProviders: ["wasm"] });
      const feeds = { x: new ort.Tensor("float32", Float32Array.of(-2, -1, 0, 1, 2), [5]) };
      postMessage([ort.env.versions.web, Array.from((await session.run(feeds)).y.data)]);
    };`;
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
  worker.onmessage = (event) => resolve(event.data);
  worker.onerror = (event) => resolve(event.message);
  worker.postMessage(Uint8Array.from(atob(model), (letter) => letter.charCodeAt(0)));
})"""

TRANSFERRED = """async (address) => {
  await (await fetch(address)).arrayBuffer();
  return performance.getEntriesByName(address)[0].transferSize;
}"""


def relu() -> str:
    """A model with one layer, as base64."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [5]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return base64.b64encode(model.SerializeToString()).decode()


@pytest.mark.parametrize("base", ["", "my/app"])
def test_a_model_runs_in_the_browser(page: Page, tmp_path: Path, base: str) -> None:
    optional.onnxruntime_web()
    environment = {"AECORE_DATA": str(tmp_path), "STREAMLIT_SERVER_BASE_URL_PATH": base}
    with started.dashboard(tmp_path / "log", environment) as served:
        page.goto(served.address)
        page.wait_for_function("window.__streamlit?.BACKEND_BASE_URL")
        root = page.evaluate("window.__streamlit.BACKEND_BASE_URL")
        for file in (browser_packages.WASM, browser_packages.WEBGPU):
            ran = page.evaluate(RUN, [root + browser_packages.address(file), relu()])
            assert ran == [browser_packages.PIN.version, [0, 0, 0, 1, 2]]
        # The binary is fetched once: a second time, nothing is transferred.
        assert page.evaluate(TRANSFERRED, root + browser_packages.address(browser_packages.WASM_BINARY)) == 0
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{root}{browser_packages.ROUTE}/onnxruntime-web-1.29.0/{browser_packages.WASM}")
        page.goto("about:blank")
    assert "Traceback" not in (tmp_path / "log").read_text()
