// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHPACK
import TestKit

/// An HTTP/2 client by exact frames: it sends whatever a test wants, right or wrong. Blocking, on one thread at a time.
final class HTTP2Client: @unchecked Sendable {
    /// One frame as it came (RFC 9113 section 4.1).
    struct Frame {
        var type: UInt8
        var flags: UInt8
        var stream: UInt32
        var payload: [UInt8]
        /// Of HEADERS.
        var fields: HPACKHeaders = [:]

        /// Of GOAWAY and RST_STREAM; 0xFFFF where there is none.
        var errorCode: Int {
            switch type {
            case goAway where payload.count >= 8: Int(payload[7])
            case reset where payload.count == 4: Int(payload[3])
            default: 0xFFFF
            }
        }
    }

    /// What a stream was answered with.
    struct Response {
        var fields: HPACKHeaders = [:]
        var body: [UInt8] = []

        var status: String? { fields.first(name: ":status") }
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    // Types (RFC 9113 section 6).
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
    // Flags.
    static let endStream: UInt8 = 1
    static let endHeaders: UInt8 = 4

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    let connection: RawConnection
    private var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
    private var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    /// Frames of other streams than the one that is being waited for.
    private var waiting: [Frame] = []

    init(_ connection: RawConnection) throws {
        self.connection = connection
        try connection.send(Self.preface)
        try send(Self.settings, 0, 0, [])
    }

    func send(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) throws {
        try connection.send(Self.bytes(type, flags, stream, payload))
    }

    static func bytes(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let length = payload.count
        return [
            UInt8(length >> 16 & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), type, flags,
            UInt8(stream >> 24 & 0x7F), UInt8(stream >> 16 & 0xFF), UInt8(stream >> 8 & 0xFF), UInt8(stream & 0xFF),
        ] + payload
    }

    func encode(_ fields: HPACKHeaders) throws -> [UInt8] {
        var buffer = ByteBuffer()
        try encoder.encode(headers: fields, to: &buffer)
        return Array(buffer.readableBytesView)
    }

    /// Opens a stream with a request.
    /// - Parameter isOpen: without a body, whether one may follow.
    func request(
        _ stream: UInt32, _ path: String, _ fields: HPACKHeaders, method: String = "POST", body: [UInt8]? = nil,
        isOpen: Bool = false
    ) throws {
        var all: HPACKHeaders = [":method": method, ":scheme": "http", ":path": path, ":authority": "localhost"]
        all.add(contentsOf: fields)
        let flags = Self.endHeaders | (body == nil && !isOpen ? Self.endStream : 0)
        try send(Self.headers, flags, stream, try encode(all))
        guard let body else { return }
        var rest = body[...]
        while rest.count > 16_384 {
            try send(Self.data, 0, stream, Array(rest.prefix(16_384)))
            rest = rest.dropFirst(16_384)
        }
        try send(Self.data, Self.endStream, stream, Array(rest))
    }

    /// Lets the server send so many bytes more; 0 is the connection.
    func open(window bytes: UInt32, _ stream: UInt32) throws {
        try send(Self.windowUpdate, 0, stream, (0..<4).map { UInt8(bytes >> (24 - 8 * $0) & 0xFF) })
    }

    private func receive() throws -> Frame {
        let head = try connection.read(9)
        let length = head[..<3].reduce(0) { $0 << 8 | Int($1) }
        let stream = head[5...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        var frame = Frame(type: head[3], flags: head[4], stream: stream, payload: try connection.read(length))
        if frame.type == Self.headers {
            // In the order in which they come, whoever waits for them: HPACK has one state for all streams.
            var buffer = ByteBuffer(bytes: frame.payload)
            frame.fields = try decoder.decodeHeaders(from: &buffer)
        }
        if frame.type == Self.settings, frame.flags & 1 == 0 { try send(Self.settings, 1, 0, []) }
        return frame
    }

    /// The next HEADERS, DATA or RST_STREAM frame of the stream.
    func next(_ stream: UInt32) throws -> Frame {
        let wanted = { (frame: Frame) in
            frame.stream == stream && [Self.data, Self.headers, Self.reset].contains(frame.type)
        }
        if let index = waiting.firstIndex(where: wanted) { return waiting.remove(at: index) }
        while true {
            let frame = try receive()
            if wanted(frame) { return frame }
            waiting.append(frame)
        }
    }

    /// The head of a response that goes on.
    func head(_ stream: UInt32) throws -> HPACKHeaders {
        let frame = try next(stream)
        guard frame.type == Self.headers else {
            throw RawConnection.Failure.endedBefore("HEADERS", received: "\(frame)")
        }
        return frame.fields
    }

    /// A whole response.
    func response(_ stream: UInt32) throws -> Response {
        var response = Response()
        while true {
            let frame = try next(stream)
            switch frame.type {
            case Self.headers: response.fields = frame.fields
            case Self.data:
                response.body += frame.payload
                if !frame.payload.isEmpty {
                    try open(window: UInt32(frame.payload.count), 0)
                    // A stream that has ended takes none.
                    if frame.flags & Self.endStream == 0 { try open(window: UInt32(frame.payload.count), stream) }
                }
            default: throw RawConnection.Failure.endedBefore("the response", received: "\(frame)")
            }
            if frame.flags & Self.endStream != 0 { return response }
        }
    }

    /// What the server has announced, by identifier (RFC 9113 section 6.5.2): the first frame that it sends.
    func announced() throws -> [UInt16: UInt32] {
        if !waiting.contains(where: { $0.type == Self.settings }) { waiting.append(try receive()) }
        var bytes = ByteBuffer(bytes: waiting.first { $0.type == Self.settings }?.payload ?? [])
        var announced: [UInt16: UInt32] = [:]
        while let (identifier, value) = bytes.readMultipleIntegers(as: (UInt16, UInt32).self) {
            announced[identifier] = value
        }
        return announced
    }

    /// Reads to the end of the connection.
    /// - Returns: the last GOAWAY, if there was one.
    func readToGoAway() -> Frame? {
        var last = waiting.last { $0.type == Self.goAway }
        while let frame = try? receive() { if frame.type == Self.goAway { last = frame } }
        return last
    }

    /// An acknowledged PING: what was sent before has been read.
    func roundTrip() throws {
        try send(Self.ping, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8])
        while true {
            let frame = try receive()
            if frame.type == Self.ping { return }
            waiting.append(frame)
        }
    }
}

extension AdapterStack {
    /// Runs a conversation over HTTP/2 on a thread of its own.
    func http2<Result: Sendable>(
        receiveBufferBytes: Int32? = nil, _ body: @escaping @Sendable (HTTP2Client) throws -> Result
    ) async throws -> Result {
        try await wire(port: port, receiveBufferBytes: receiveBufferBytes) { try body(HTTP2Client($0)) }
    }
}
