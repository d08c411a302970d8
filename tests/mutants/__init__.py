"""Would a test notice if the spine were broken? Known ways to break it, each with the test that fails then."""
