//! Writes made past larder.

mod decoding;
mod library;
mod own_writes;
mod parts;
mod shop;
mod tables;
mod told;
mod versions;
