//! An event callback: it sends the data it receives in upper case.
#![no_std]

#[link(wasm_import_module = "millrace_v1")]
extern "C" {
    fn receive(handle: i32, buffer: *mut u8, capacity: u32, timeout: i64) -> i32;
    fn send(data: *const u8, length: u32, event: *const u8, event_length: u32, id: *const u8, id_length: u32) -> i32;
}

const HEADER: usize = 40;

static mut BUFFER: [u8; 64 << 10] = [0; 64 << 10];

#[no_mangle]
pub unsafe extern "C" fn onEvent() -> i32 {
    let n = receive(0, BUFFER.as_mut_ptr(), BUFFER.len() as u32, 0);
    if n < HEADER as i32 {
        return n;
    }
    let length = u32::from_le_bytes([BUFFER[0], BUFFER[1], BUFFER[2], BUFFER[3]]) as usize;
    let data = &mut BUFFER[HEADER..][..length];
    data.make_ascii_uppercase();
    send(data.as_ptr(), length as u32, core::ptr::null(), 0, core::ptr::null(), 0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
