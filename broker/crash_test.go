package broker_test

func publishUntilKilled(dir string) {}
