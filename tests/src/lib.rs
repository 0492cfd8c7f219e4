//! End-to-end tests: `scenarios/` are scripts, `interop/` drives clients that others wrote, and
//! `stories/` holds what needs a program. All run against a real `whimbreld`.
