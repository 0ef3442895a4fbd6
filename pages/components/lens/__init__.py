"""The lens: the sheet of pictures that the browser draws, and the arithmetic of noise, numbers and colours in it."""
