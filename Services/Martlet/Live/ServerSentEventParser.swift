// SPDX-License-Identifier: Apache-2.0

/// Turns the bytes of an event stream into events, however they are cut into pieces (WHATWG HTML sections 9.2.5 and 9.2.6).
struct ServerSentEventParser {
    /// An event or line longer than this ends the stream: a message has at most 1 MiB, which base64 makes a third larger.
    static let maximumBytes = 4 << 20

    struct TooLong: Error {}

    /// By which a connection that comes after this one resumes.
    private(set) var lastIdentifier = ""
    /// How long to wait before connecting again, once the stream has said it.
    private(set) var retryMilliseconds: Int?

    private var line: [UInt8] = []
    private var identifier: String
    private var name = ""
    private var data: [UInt8] = []
    private var hasData = false
    private var endedWithReturn = false
    private var markBytes = 0

    /// - Parameter lastIdentifier: that of the connection before.
    init(lastIdentifier: String = "") {
        self.lastIdentifier = lastIdentifier
        identifier = lastIdentifier
    }

    /// - Returns: the events that these bytes complete.
    mutating func parse(_ bytes: some Sequence<UInt8>) throws(TooLong) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            if skipsMark(byte) { continue }
            // A line ends with CR, LF, or both.
            if byte == 0x0A && endedWithReturn {
                endedWithReturn = false
                continue
            }
            endedWithReturn = byte == 0x0D
            guard byte == 0x0A || byte == 0x0D else {
                guard line.count < Self.maximumBytes else { throw TooLong() }
                line.append(byte)
                continue
            }
            if line.isEmpty {
                if let event = dispatch() { events.append(event) }
            } else {
                try take(line)
                line.removeAll(keepingCapacity: true)
            }
        }
        return events
    }

    /// One byte order mark may stand in front of the stream.
    private mutating func skipsMark(_ byte: UInt8) -> Bool {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        guard markBytes < mark.count else { return false }
        guard byte == mark[markBytes] else {
            // What looked like a mark was the beginning of a line.
            line += mark[..<markBytes]
            markBytes = mark.count
            return false
        }
        markBytes += 1
        return true
    }

    private mutating func take(_ line: [UInt8]) throws(TooLong) {
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        var value = line[min(colon + 1, line.count)...]
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": name = String(decoding: value, as: UTF8.self)
        case "data":
            guard data.count + value.count < Self.maximumBytes else { throw TooLong() }
            if hasData { data.append(0x0A) }
            data += value
            hasData = true
        case "id":
            // NUL cannot be sent back in a header field.
            if !value.contains(0) { identifier = String(decoding: value, as: UTF8.self) }
        case "retry":
            if !value.isEmpty, value.allSatisfy({ (0x30...0x39).contains($0) }) {
                retryMilliseconds = Int(String(decoding: value, as: UTF8.self)) ?? retryMilliseconds
            }
        // Comments begin with the colon; fields that are not known are ignored.
        default: break
        }
    }

    private mutating func dispatch() -> ServerSentEvent? {
        lastIdentifier = identifier
        defer {
            name = ""
            data = []
            hasData = false
        }
        guard hasData else { return nil }
        return ServerSentEvent(
            name: name.isEmpty ? "message" : name, data: String(decoding: data, as: UTF8.self),
            lastIdentifier: lastIdentifier)
    }
}
