// SPDX-License-Identifier: Apache-2.0
import Core
import Logging

/// Writes each event as one line: JSON for machines, or a readable form for a terminal.
///
/// JSON members: `time` (RFC 3339, UTC, milliseconds), `level`, `service`, `logger`, `message`, then the metadata (``LogKey``).
public struct StructuredLogHandler: LogHandler {
    public enum Format: String, Sendable, CaseIterable {
        case json
        case human
    }

    /// A single value in a line; what is longer is cut. A log line is no place for a payload.
    public static let maximumValueBytes = 8 << 10

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let service: String
    private let format: Format
    private let output: LogOutput
    private let clock: WallClock

    public init(
        label: String, service: String, level: Logger.Level, format: Format = .json,
        output: LogOutput = .standardOutput, clock: WallClock = .system,
        metadataProvider: Logger.MetadataProvider? = TraceContext.metadataProvider
    ) {
        self.label = label
        self.service = service
        self.logLevel = level
        self.format = format
        self.output = output
        self.clock = clock
        self.metadataProvider = metadataProvider
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var merged = metadata
        if let provided = metadataProvider?.get(), !provided.isEmpty {
            merged.merge(provided) { _, new in new }
        }
        if let given = event.metadata, !given.isEmpty {
            merged.merge(given) { _, new in new }
        }
        let fields = merged.sorted { $0.key < $1.key }
        var line: [UInt8] = []
        line.reserveCapacity(256)
        switch format {
        case .json: writeJSON(event, fields, to: &line)
        case .human: writeHuman(event, fields, to: &line)
        }
        line.append(UInt8(ascii: "\n"))
        output.write(line: line)
    }

    private func writeJSON(
        _ event: LogEvent, _ fields: [(key: String, value: Logger.MetadataValue)], to line: inout [UInt8]
    ) {
        line += "{\"time\":\"".utf8
        line += Timestamp.rfc3339(clock.now()).utf8
        line += "\",\"level\":\"\(event.level.rawValue)\",\"service\":".utf8
        JSONText.write(service, to: &line)
        line += ",\"logger\":".utf8
        JSONText.write(label, to: &line)
        line += ",\"message\":".utf8
        JSONText.write(limited(event.message.description), to: &line)
        for (key, value) in fields where !Self.reserved.contains(key) {
            line.append(UInt8(ascii: ","))
            JSONText.write(key, to: &line)
            line.append(UInt8(ascii: ":"))
            writeValue(value, depth: 0, to: &line)
        }
        line.append(UInt8(ascii: "}"))
    }

    /// The members that every line has; metadata must not write them a second time.
    private static let reserved: Set<String> = ["time", "level", "service", "logger", "message"]

    private func writeValue(_ value: Logger.MetadataValue, depth: Int, to line: inout [UInt8]) {
        switch value {
        case .string(let text): JSONText.write(limited(text), to: &line)
        case .stringConvertible(let convertible):
            switch convertible {
            case let number as Int: line += String(number).utf8
            case let number as UInt64: line += String(number).utf8
            case let flag as Bool: line += (flag ? "true" : "false").utf8
            default: JSONText.write(limited(convertible.description), to: &line)
            }
        case .array(let values) where depth < 4:
            line.append(UInt8(ascii: "["))
            for (index, element) in values.enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                writeValue(element, depth: depth + 1, to: &line)
            }
            line.append(UInt8(ascii: "]"))
        case .dictionary(let values) where depth < 4:
            line.append(UInt8(ascii: "{"))
            for (index, (key, element)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line.append(UInt8(ascii: ",")) }
                JSONText.write(key, to: &line)
                line.append(UInt8(ascii: ":"))
                writeValue(element, depth: depth + 1, to: &line)
            }
            line.append(UInt8(ascii: "}"))
        default: JSONText.write(limited(value.description), to: &line)
        }
    }

    private func writeHuman(
        _ event: LogEvent, _ fields: [(key: String, value: Logger.MetadataValue)], to line: inout [UInt8]
    ) {
        // The time of day is enough for somebody who watches: characters 11 to 22 of the RFC 3339 form.
        line += Timestamp.rfc3339(clock.now()).utf8.dropFirst(11).prefix(12)
        let level = event.level.rawValue.uppercased()
        line += " \(level.padding(to: 8))\(service.padding(to: 16)) ".utf8
        line += Self.singleLine(limited(event.message.description)).utf8
        for (key, value) in fields {
            line += "  \(key)=\(Self.singleLine(limited(value.description)))".utf8
        }
    }

    private func limited(_ text: String) -> String {
        guard text.utf8.count > Self.maximumValueBytes else { return text }
        return String(decoding: text.utf8.prefix(Self.maximumValueBytes), as: UTF8.self) + "…"
    }

    /// Control characters would let one event look like two, or drive the terminal.
    private static func singleLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return text }
        return String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }
}
