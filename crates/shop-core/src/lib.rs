//! The core domain of the example shop.
