// SPDX-License-Identifier: Apache-2.0

/// An answer with the chunked transfer coding (RFC 9112 section 7.1), as far as it came.
public struct ChunkedAnswer {
    /// Of the status line; empty where there is none.
    public private(set) var status = ""
    /// Without the coding.
    public private(set) var body: [UInt8] = []
    /// Whether the last chunk came.
    public private(set) var isWhole = false

    /// - Parameter bytes: all that came on the connection.
    public init(_ bytes: [UInt8]) {
        var rest = bytes[...]
        guard let first = Self.line(&rest) else { return }
        status = first.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        while let line = Self.line(&rest), !line.isEmpty {}
        while let line = Self.line(&rest), let size = Int(line, radix: 16) {
            guard size > 0 else {
                isWhole = Self.line(&rest) == ""
                return
            }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
    }

    /// Line feeds in the body.
    public var lines: Int { body.count { $0 == UInt8(ascii: "\n") } }

    private static func line(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = String(decoding: rest[..<end], as: UTF8.self)
        rest = rest[rest.index(after: end)...]
        return line.hasSuffix("\r") ? String(line.dropLast()) : line
    }
}
