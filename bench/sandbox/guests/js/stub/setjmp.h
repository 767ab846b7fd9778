// QuickJS includes this header and does not use it; wasi-libc has none.
