//! tessera-store-lsm
