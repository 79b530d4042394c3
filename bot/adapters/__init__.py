"""One file or folder per outside system. Adapters know `bot.core` alone; only the composition root knows them."""
