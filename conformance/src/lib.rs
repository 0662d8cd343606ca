//! The outside view. Never links the engine.
