// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// Reads SenML packs (RFC 8428) and resolves them: base fields applied, times absolute, chronological order.
///
/// Strict where the RFC binds the sender, with these decisions where it leaves room:
/// - `bver` 1 to 10 is accepted (the RFC's own examples say 5); above that the pack is refused.
/// - An exponent may be written with `E`, and CBOR arrays and maps may have indefinite lengths, although senders must not.
/// - In CBOR a known label as text (`"v"` for `2`) is refused: ignoring it, as an unknown label, would lose data in silence.
/// - Labels that are not known are ignored, whatever their value; they may repeat. A known one may not.
/// - A record with base fields only makes no measurement; an empty one is taken as a record without a value.
/// - `u` and `bu` as empty strings mean no unit.
/// - Times are rounded to nanoseconds one by one, then added; a CBOR double counts as the shortest decimal that stands for it, so
///   that both representations of a time resolve alike.
public struct SenMLDecoder: Sendable {
    /// The highest `bver` that is understood.
    public static let supportedVersion = 10
    /// Times below this are relative to now (section 4.5.3): 2^28 seconds, in nanoseconds.
    public static let absoluteTimeThreshold: Int64 = (1 << 28) * 1_000_000_000

    /// Unescaped names and units; empty for nearly every pack.
    private var scratch: [UInt8] = []
    /// What ``validate(_:format:receivedAt:)`` passes where ``decode(_:format:receivedAt:into:)`` passes the caller's; stays empty.
    private var nothing = SenMLBatch()

    public init() {}

    /// Appends a pack's measurements to `batch`.
    ///
    /// - Parameters:
    ///   - receivedAt: what relative times count from, nanoseconds since 1970.
    /// - Returns: the range of the new records in ``SenMLBatch/records``; empty for a pack of base fields only.
    /// - Throws: ``SenMLError``; `batch` is then as it was.
    @discardableResult
    public mutating func decode(
        _ payload: UnsafeRawBufferPointer, format: SenMLFormat, receivedAt: Int64, into batch: inout SenMLBatch
    ) throws(SenMLError) -> Range<Int> {
        let start = batch.records.count
        let byteStart = batch.bytes.count
        do throws(SenMLError) {
            _ = try read(payload, format: format, receivedAt: receivedAt, keeping: true, into: &batch)
        } catch {
            batch.truncate(records: start, bytes: byteStart)
            throw error
        }
        batch.sortByTime(from: start)
        return start..<batch.records.count
    }

    /// Checks a pack exactly as ``decode(_:format:receivedAt:into:)`` does, without keeping anything.
    ///
    /// - Returns: how many measurements it has.
    @discardableResult
    public mutating func validate(
        _ payload: UnsafeRawBufferPointer, format: SenMLFormat, receivedAt: Int64
    ) throws(SenMLError) -> Int {
        var nothing = SenMLBatch()
        swap(&nothing, &self.nothing)
        defer { swap(&nothing, &self.nothing) }
        return try read(payload, format: format, receivedAt: receivedAt, keeping: false, into: &nothing)
    }

    /// Decodes the readable bytes.
    @discardableResult
    public mutating func decode(
        _ payload: ByteBuffer, format: SenMLFormat, receivedAt: Int64, into batch: inout SenMLBatch
    ) throws(SenMLError) -> Range<Int> {
        try payload.withUnsafeReadableBytes { bytes -> Result<Range<Int>, SenMLError> in
            do throws(SenMLError) {
                return .success(try decode(bytes, format: format, receivedAt: receivedAt, into: &batch))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    /// Validates the readable bytes.
    @discardableResult
    public mutating func validate(
        _ payload: ByteBuffer, format: SenMLFormat, receivedAt: Int64
    ) throws(SenMLError) -> Int {
        try payload.withUnsafeReadableBytes { bytes -> Result<Int, SenMLError> in
            do throws(SenMLError) {
                return .success(try validate(bytes, format: format, receivedAt: receivedAt))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    private mutating func read(
        _ payload: UnsafeRawBufferPointer, format: SenMLFormat, receivedAt: Int64, keeping: Bool,
        into batch: inout SenMLBatch
    ) throws(SenMLError) -> Int {
        scratch.removeAll(keepingCapacity: true)
        switch format {
        case .json:
            var reader = SenMLJSONReader(payload, receivedAt: receivedAt, keeping: keeping, scratch: scratch)
            defer { scratch = reader.resolver.scratch }
            return try reader.read(into: &batch)
        case .cbor:
            var reader = SenMLCBORReader(payload, receivedAt: receivedAt, keeping: keeping, scratch: scratch)
            defer { scratch = reader.resolver.scratch }
            return try reader.read(into: &batch)
        }
    }
}
