//! The recorder: reads every container each tick and writes crash-safe Parquet.
