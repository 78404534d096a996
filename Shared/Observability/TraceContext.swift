// SPDX-License-Identifier: Apache-2.0
import Logging

/// A position in a distributed trace, by W3C Trace Context (Level 1, section 3.2).
public struct TraceContext: Sendable, Hashable {
    public let traceHigh: UInt64
    public let traceLow: UInt64
    /// The span that is the parent of whatever the receiver does.
    public let span: UInt64
    /// Bit 0: sampled.
    public let flags: UInt8

    /// The context of the running task; logs carry its identifiers, outgoing requests and messages its child.
    @TaskLocal public static var current: TraceContext?

    public init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, flags: UInt8) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.flags = flags
    }

    /// The beginning of a new trace.
    public static func root(isSampled: Bool = false) -> TraceContext {
        var generator = SystemRandomNumberGenerator()
        return TraceContext(
            traceHigh: generator.next(), traceLow: nonZero(&generator), span: nonZero(&generator),
            flags: isSampled ? 1 : 0)
    }

    /// The same trace with a new span.
    public func child() -> TraceContext {
        var generator = SystemRandomNumberGenerator()
        return TraceContext(
            traceHigh: traceHigh, traceLow: traceLow, span: Self.nonZero(&generator), flags: flags)
    }

    /// What to do for an incoming request: go on with its trace in a new span, or begin one when there is none or it is not valid.
    public static func continuing(_ traceparent: String?) -> TraceContext {
        guard let traceparent, let parent = TraceContext(traceparent: traceparent) else { return root() }
        return parent.child()
    }

    public var isSampled: Bool { flags & 1 == 1 }

    private static func nonZero(_ generator: inout SystemRandomNumberGenerator) -> UInt64 {
        while true {
            let value: UInt64 = generator.next()
            if value != 0 { return value }
        }
    }
}

extension TraceContext {
    /// Length of `00-<32>-<16>-<2>`.
    static let textLength = 55

    /// Reads a `traceparent` header field.
    ///
    /// - Returns: nil when it breaks a rule of section 3.2: lower-case hexadecimal only, version not `ff`, version `00` exactly 55 characters (a
    ///   later version may be followed by `-`), neither identifier all zero.
    public init?(traceparent: String) {
        let bytes = Array(traceparent.utf8)
        guard bytes.count >= Self.textLength, bytes[2] == Self.dash, bytes[35] == Self.dash, bytes[52] == Self.dash,
            let version = Self.hexadecimal(bytes[0..<2]), version != 0xFF,
            version == 0 ? bytes.count == Self.textLength : bytes.count == Self.textLength || bytes[55] == Self.dash,
            let high = Self.hexadecimal(bytes[3..<19]), let low = Self.hexadecimal(bytes[19..<35]),
            let span = Self.hexadecimal(bytes[36..<52]), let flags = Self.hexadecimal(bytes[53..<55]),
            high != 0 || low != 0, span != 0
        else { return nil }
        self.init(traceHigh: high, traceLow: low, span: span, flags: UInt8(truncatingIfNeeded: flags))
    }

    /// Version 00 of the header field; only the sampled flag is handed on (section 3.2.2.5.2).
    public var traceparent: String { "00-\(traceID)-\(spanID)-0\(flags & 1)" }

    /// 32 lower-case hexadecimal digits.
    public var traceID: String { Self.text(traceHigh) + Self.text(traceLow) }

    /// 16 lower-case hexadecimal digits.
    public var spanID: String { Self.text(span) }

    private static let dash = UInt8(ascii: "-")

    private static func text(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(byte &- UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(byte &- UInt8(ascii: "a") &+ 10)
            default: return nil
            }
        }
        return value
    }
}

extension TraceContext {
    /// Puts `trace_id` and `span_id` of ``current`` into every log line.
    public static let metadataProvider = Logger.MetadataProvider {
        guard let context = TraceContext.current else { return [:] }
        return [LogKey.traceID: "\(context.traceID)", LogKey.spanID: "\(context.spanID)"]
    }
}
