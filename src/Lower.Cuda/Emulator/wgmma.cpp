namespace { int nothing; }
