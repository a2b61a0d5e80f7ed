//! What lies on disk: spool, segments, partition layout, recovery, retention and the reader.
