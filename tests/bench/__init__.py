"""The benchmark: our programs beside other ways to answer the same requests, all under one real Apache."""
