package web

// defaultViewers is how many viewers a process can have that may open so many files: each takes one,
// and some are left for everything else. files 0 is not known.
func defaultViewers(files uint64) int {
	if files == 0 {
		return 20_000
	}
	rest := min(files/2, max(500, files/50))
	return int(min(files-rest, 100_000))
}
