package sse_test

import (
	"strings"
	"time"

	"github.com/millrace/millrace/abi"
	"github.com/millrace/millrace/abi/sse"
)

// reference reads a stream the slow way, step by step as the standard has it: decode all, cut all
// into lines, then process each line. It has no limit but that of retry.
func reference(stream []byte) (o outcome) {
	text := referenceDecode(stream)
	text = strings.TrimPrefix(text, "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")

	var data strings.Builder
	var block abi.Event
	told := false
	for _, line := range lines[:len(lines)-1] { // behind the last line end is no line
		if line == "" {
			if block.ID != "" || block.EmptyID {
				o.lastID = block.ID
			}
			dispatch := data.Len() > 0
			if !dispatch {
				block.Name = ""
			}
			block.Data = strings.TrimSuffix(data.String(), "\n")
			if dispatch || told {
				o.add(sse.Block{Event: block, Dispatch: dispatch})
			}
			data.Reset()
			block, told = abi.Event{}, false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "data":
			data.WriteString(value + "\n")
		case name == "event":
			block.Name = value
		case name == "id" && !strings.Contains(value, "\x00"):
			block.ID, block.EmptyID, told = value, value == "", true
		case name == "retry" && value != "" && strings.Trim(value, "0123456789") == "":
			o.retry, o.hasRetry = referenceRetry(value), true
			block.Retry, told = o.retry, true
		}
	}
	return o
}

func referenceRetry(digits string) time.Duration {
	digits = strings.TrimLeft(digits, "0")
	if most := "4294967295"; len(digits) > len(most) || len(digits) == len(most) && digits > most {
		digits = most
	}
	var d time.Duration
	for _, c := range digits {
		d = d*10 + time.Duration(c-'0')
	}
	return d * time.Millisecond
}

// referenceDecode is the UTF-8 decoder of the Encoding standard, section 8.1.1, with its names.
func referenceDecode(stream []byte) string {
	var out strings.Builder
	var codePoint rune
	seen, needed := 0, 0
	lower, upper := byte(0x80), byte(0xBF)
	for i := 0; i < len(stream); i++ {
		b := stream[i]
		if needed == 0 {
			switch {
			case b <= 0x7F:
				out.WriteByte(b)
			case b >= 0xC2 && b <= 0xDF:
				needed, codePoint = 1, rune(b&0x1F)
			case b >= 0xE0 && b <= 0xEF:
				if b == 0xE0 {
					lower = 0xA0
				}
				if b == 0xED {
					upper = 0x9F
				}
				needed, codePoint = 2, rune(b&0xF)
			case b >= 0xF0 && b <= 0xF4:
				if b == 0xF0 {
					lower = 0x90
				}
				if b == 0xF4 {
					upper = 0x8F
				}
				needed, codePoint = 3, rune(b&0x7)
			default:
				out.WriteString("\uFFFD")
			}
			continue
		}
		if b < lower || b > upper {
			codePoint, needed, seen, lower, upper = 0, 0, 0, 0x80, 0xBF
			out.WriteString("\uFFFD")
			i-- // the byte is read again
			continue
		}
		lower, upper = 0x80, 0xBF
		codePoint = codePoint<<6 | rune(b&0x3F)
		if seen++; seen == needed {
			out.WriteRune(codePoint)
			codePoint, needed, seen = 0, 0, 0
		}
	}
	if needed != 0 {
		out.WriteString("\uFFFD")
	}
	return out.String()
}
