// A callback in JavaScript, run by QuickJS: _initialize evaluates the script, onEvent calls its
// function. work is for measuring: it runs that function n times.

#include "quickjs.h"
#include <string.h>

#define IMPORT(name) __attribute__((import_module("millrace_v1"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

// Their names here are not those of functions of the C library, which has a send.
IMPORT("receive") int hostReceive(int handle, void *buffer, int capacity, long long timeout);
IMPORT("send") int hostSend(const void *data, int length, const void *event, int eventLength, const void *id, int idLength);

enum { header = 40 };

static const char script[] =
	"globalThis.onEvent = s => s.toUpperCase();"
	"globalThis.json = n => {"
	"  let size = 0;"
	"  for (let i = 0; i < n; i++) {"
	"    const v = JSON.parse('{\"id\":17,\"name\":\"a stream\",\"tags\":[\"x\",\"y\",\"z\"],\"price\":12.5,\"nested\":{\"ok\":true}}');"
	"    v.id = i; size += JSON.stringify(v).length;"
	"  }"
	"  return size;"
	"};"
	"globalThis.loop = n => { let x = 1; for (let i = 0; i < n; i++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; } return x; };";

static unsigned char buffer[64 << 10];
static JSContext *context;
static JSValue global;

__attribute__((constructor)) static void start(void) {
	JSRuntime *runtime = JS_NewRuntime();
	JS_SetMaxStackSize(runtime, 0);
	context = JS_NewContext(runtime);
	global = JS_GetGlobalObject(context);
	if (JS_IsException(JS_Eval(context, script, sizeof script - 1, "script", JS_EVAL_TYPE_GLOBAL)))
		__builtin_trap();
}

static JSValue call(const char *name, JSValue argument) {
	JSValue f = JS_GetPropertyStr(context, global, name);
	JSValue result = JS_Call(context, f, global, 1, &argument);
	JS_FreeValue(context, f);
	JS_FreeValue(context, argument);
	if (JS_IsException(result))
		__builtin_trap();
	return result;
}

static int number(JSValue v) {
	int n = 0;
	JS_ToInt32(context, &n, v);
	JS_FreeValue(context, v);
	return n;
}

EXPORT("json") int json(int n) { return number(call("json", JS_NewInt32(context, n))); }

EXPORT("loop") int loop(int n) { return number(call("loop", JS_NewInt32(context, n))); }

EXPORT("onEvent") int onEvent(void) {
	int n = hostReceive(0, buffer, sizeof buffer, 0);
	if (n < header)
		return n;
	JSValue result = call("onEvent", JS_NewStringLen(context, (char *)buffer + header, n - header));
	size_t length;
	const char *text = JS_ToCStringLen(context, &length, result);
	int status = hostSend(text, length, 0, 0, 0, 0);
	JS_FreeCString(context, text);
	JS_FreeValue(context, result);
	return status;
}
