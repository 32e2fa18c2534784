"""Tools of the repository; the library never imports them."""
