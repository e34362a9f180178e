//! Writes made past larder.

mod decoding;
mod lag;
mod library;
mod own_writes;
mod parts;
mod seen;
mod shop;
mod tables;
mod told;
mod versions;
