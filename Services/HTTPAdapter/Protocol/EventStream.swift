// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Server-sent events (WHATWG HTML section 9.2) as bytes.
enum EventStream {
    static let contentType = "text/event-stream"

    /// The response's head. It has no length and ends with the connection: every byte behind it can then be shared by all who listen.
    static func head(date: String) -> ByteBuffer {
        // `no-transform` and nginx's own field keep proxies from holding events back.
        ByteBuffer(
            string:
                "HTTP/1.1 200 OK\r\n\(date)Content-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\n"
        )
    }

    /// How long a client waits before it connects again; the number by which it resumes if no message comes before.
    static func opening(after position: UInt64) -> ByteBuffer {
        ByteBuffer(string: "retry: 2000\nid: \(position)\n\n")
    }

    /// A comment, and the number that has been passed over meanwhile: without data nothing is dispatched, but the client's last number moves on.
    static func keepAlive(at position: UInt64) -> ByteBuffer {
        ByteBuffer(string: ":\nid: \(position)\n\n")
    }

    /// - Parameter name: nil for `message`, the default, which `onmessage` hears.
    static func event(_ name: StaticString?, id: UInt64?, data: ByteBuffer) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(64 + data.readableBytes)
        if let name {
            buffer.writeStaticString("event: ")
            buffer.writeStaticString(name)
            buffer.writeStaticString("\n")
        }
        if let id {
            buffer.writeStaticString("id: ")
            buffer.writeString(String(id))
            buffer.writeStaticString("\n")
        }
        buffer.writeStaticString("data: ")
        writeLines(data, into: &buffer)
        buffer.writeStaticString("\n\n")
        return buffer
    }

    /// A line break in the data would end the field: each line becomes a field of its own, and the client joins them with line feeds. In JSON they are
    /// white space between tokens, so the document stays the same.
    private static func writeLines(_ data: ByteBuffer, into buffer: inout ByteBuffer) {
        data.withUnsafeReadableBytes { bytes in
            var start = 0
            for (offset, byte) in bytes.enumerated() where byte == 0x0A || byte == 0x0D {
                buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<offset]))
                buffer.writeStaticString("\ndata: ")
                start = offset + 1
            }
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start...]))
        }
    }
}
