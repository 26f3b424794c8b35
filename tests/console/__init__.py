"""Stories in a browser. Being a package, this folder ends its shared installation when its last test has run."""
