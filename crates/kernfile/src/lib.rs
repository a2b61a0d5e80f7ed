//! Reading kernel pseudo-files: kept descriptors under a cap, one reused buffer, bytes to numbers.
