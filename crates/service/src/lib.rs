//! tessera-service
