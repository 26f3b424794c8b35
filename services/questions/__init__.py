"""Questions about the past as a whole: as of, who could, what changed, what-if, recheck, unused."""
