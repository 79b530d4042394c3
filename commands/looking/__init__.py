"""Looking at a namespace as kubectl's get, describe and top do, with what is not as it should be said first and in words."""
