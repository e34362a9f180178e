//! The shared store of larder on Redis.
