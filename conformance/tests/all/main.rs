//! All tests of the outside view, in one program.

mod abi;
