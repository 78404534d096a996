// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What no well-behaved client sends: `Tests/Data/coap-malformed.txt`, which says how it is written.
public struct MalformedCoAP: Sendable {
    public let transport: String
    /// A code, `ack`, `reset`, `nothing`, or `*` for whatever.
    public let answer: String
    public let name: String
    public let bytes: [UInt8]

    /// What is wrong with the file.
    public struct Unreadable: Error, CustomStringConvertible {
        public let description: String
    }

    /// All of them, in order.
    ///
    /// - Parameters:
    ///   - channel: that `key` may publish to and read.
    public static func all(channel: String, key: String) throws -> [MalformedCoAP] {
        let text = try String(contentsOfFile: Repository.file("Tests/Data/coap-malformed.txt"), encoding: .utf8)
        return try text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let head = parts[0].split(separator: " ")
            guard parts.count == 2, head.count == 3 else { throw Unreadable(description: "\(line)") }
            return MalformedCoAP(
                transport: String(head[0]), answer: String(head[1]), name: String(head[2]),
                bytes: try bytes(parts[1], channel: channel, key: key))
        }
    }

    private static func bytes(_ text: Substring, channel: String, key: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text
        while let first = rest.first {
            switch first {
            case " ": rest.removeFirst()
            case "\"":
                let end = rest.dropFirst().firstIndex(of: "\"") ?? rest.endIndex
                bytes += Array(rest[rest.index(after: rest.startIndex)..<end].utf8)
                rest = rest[end...].dropFirst()
            case "{":
                let end = rest.firstIndex(of: "}") ?? rest.endIndex
                bytes += try options(rest[rest.index(after: rest.startIndex)..<end], channel: channel, key: key)
                rest = rest[end...].dropFirst()
            default:
                let token = rest.prefix { $0 != " " }
                rest = rest.dropFirst(token.count)
                bytes += try hexadecimal(token)
            }
        }
        return bytes
    }

    /// `0161`, or `61*300`.
    private static func hexadecimal(_ token: Substring) throws -> [UInt8] {
        let parts = token.split(separator: "*")
        let digits = Array(parts.first ?? "")
        let pairs = stride(from: 0, to: digits.count - 1, by: 2).map { String(digits[$0...($0 + 1)]) }
        let piece = pairs.compactMap { UInt8($0, radix: 16) }
        guard digits.count == 2 * piece.count, let count = parts.count == 1 ? 1 : Int(parts[1]) else {
            throw Unreadable(description: "no bytes: \(token)")
        }
        return Array(repeatElement(piece, count: count).joined())
    }

    /// `path`, `query`, `target`, and behind an `@` the number of the option before.
    private static func options(_ text: Substring, channel: String, key: String) throws -> [UInt8] {
        let parts = text.split(separator: "@")
        let before = parts.count > 1 ? Int(parts[1]) ?? 0 : parts[0] == "query" ? CoAPDatagram.Number.uriPath : 0
        let path = ["channels", channel, "messages"].map { CoAPDatagram.Option(CoAPDatagram.Number.uriPath, $0) }
        let query = [CoAPDatagram.Option(CoAPDatagram.Number.uriQuery, "auth=\(key)")]
        let wanted = ["path": path, "query": query, "target": path + query]
        guard let options = wanted[String(parts[0])] else { throw Unreadable(description: "no options: \(text)") }
        // Behind an option of that number, which is taken off again: its header is one byte.
        let first = CoAPDatagram.Option(before, [UInt8]())
        let all = CoAPDatagram(.confirmable, .get, messageID: 0, options: [first] + options).bytes
        return Array(all.dropFirst(5))
    }
}
