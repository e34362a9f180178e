//! Writes made past larder.

mod decoding;
mod parts;
