//! The same plugin for Extism. It moves its input and output as Extism's own Rust kit does: eight
//! bytes a call, and the rest one by one.
#![no_std]

#[link(wasm_import_module = "extism:host/env")]
extern "C" {
    fn input_length() -> u64;
    fn input_load_u8(offset: u64) -> u8;
    fn input_load_u64(offset: u64) -> u64;
    fn alloc(length: u64) -> u64;
    fn store_u8(at: u64, value: u8);
    fn store_u64(at: u64, value: u64);
    fn output_set(at: u64, length: u64);
}

static mut BUFFER: [u8; 64 << 10] = [0; 64 << 10];

#[no_mangle]
pub unsafe extern "C" fn onEvent() -> i32 {
    let length = input_length() as usize;
    let data = &mut BUFFER[..length];
    let mut at = 0;
    let mut words = data.chunks_exact_mut(8);
    for word in &mut words {
        word.copy_from_slice(&input_load_u64(at).to_le_bytes());
        at += 8;
    }
    for byte in words.into_remainder() {
        *byte = input_load_u8(at);
        at += 1;
    }
    data.make_ascii_uppercase();
    let output = alloc(length as u64);
    let words = data.chunks_exact(8);
    let mut at = output;
    let rest = words.remainder();
    for word in words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        store_u64(at, u64::from_le_bytes(bytes));
        at += 8;
    }
    for byte in rest {
        store_u8(at, *byte);
        at += 1;
    }
    output_set(output, length as u64);
    0
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
