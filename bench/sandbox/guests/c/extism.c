// The same plugin for Extism. It moves its input and output as Extism's own C kit does: eight bytes
// a call, and the rest one by one.

#define IMPORT(name) __attribute__((import_module("extism:host/env"), import_name(name)))

typedef unsigned long long u64;

IMPORT("input_length") u64 inputLength(void);
IMPORT("input_load_u8") unsigned char inputByte(u64 offset);
IMPORT("input_load_u64") u64 inputWord(u64 offset);
IMPORT("alloc") u64 alloc(u64 length);
IMPORT("store_u8") void storeByte(u64 at, unsigned char value);
IMPORT("store_u64") void storeWord(u64 at, u64 value);
IMPORT("output_set") void setOutput(u64 at, u64 length);

static unsigned char buffer[64 << 10];

__attribute__((export_name("onEvent"))) int onEvent(void) {
	u64 length = inputLength(), words = length / 8 * 8;
	if (length > sizeof buffer)
		return 1;
	for (u64 i = 0; i < words; i += 8)
		*(u64 *)(buffer + i) = inputWord(i);
	for (u64 i = words; i < length; i++)
		buffer[i] = inputByte(i);
	for (u64 i = 0; i < length; i++)
		if (buffer[i] >= 'a' && buffer[i] <= 'z')
			buffer[i] -= 'a' - 'A';
	u64 output = alloc(length);
	for (u64 i = 0; i < words; i += 8)
		storeWord(output + i, *(u64 *)(buffer + i));
	for (u64 i = words; i < length; i++)
		storeByte(output + i, buffer[i]);
	setOutput(output, length);
	return 0;
}
