// An event callback: it sends the data it receives in upper case.

#define IMPORT(name) __attribute__((import_module("millrace_v1"), import_name(name)))

IMPORT("receive") int receive(int handle, void *buffer, int capacity, long long timeout);
IMPORT("send") int send(const void *data, int length, const void *event, int eventLength, const void *id, int idLength);

enum { header = 40 };

static unsigned char buffer[64 << 10];

__attribute__((export_name("onEvent"))) int onEvent(void) {
	int n = receive(0, buffer, sizeof buffer, 0);
	if (n < 0)
		return n;
	unsigned length = *(unsigned *)buffer;
	unsigned char *data = buffer + header;
	for (unsigned i = 0; i < length; i++)
		if (data[i] >= 'a' && data[i] <= 'z')
			data[i] -= 'a' - 'A';
	return send(data, length, 0, 0, 0, 0);
}
