//! The tests of the API, by resource.

mod smoke;
