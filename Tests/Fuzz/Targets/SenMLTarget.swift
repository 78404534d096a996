// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// SenML packs: checking and decoding must agree, and what was decoded must survive encoding in both representations.
struct SenMLTarget: FuzzTarget {
    /// 2026-01-01T00:00:00Z; any instant does.
    private static let receivedAt: Int64 = 1_767_225_600_000_000_000

    let format: SenMLFormat

    var name: String { format == .json ? "senml-json" : "senml-cbor" }

    var seeds: [[UInt8]] {
        format == .json
            ? SenMLSamples.json.map { [UInt8]($0.utf8) }
            : SenMLSamples.json.compactMap(SenMLSamples.cbor) + [SenMLSamples.rfcCBOR]
    }

    var dictionary: [[UInt8]] { format == .json ? SenMLSamples.jsonPieces : SenMLSamples.cborPieces }

    func generate(_ random: inout SeededRandom) -> [UInt8] {
        format == .json ? SenMLGenerator.json(&random) : SenMLGenerator.cbor(&random)
    }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        let validated = validate(input)
        var batch = SenMLBatch()
        let decoded = decode(input, format, into: &batch)
        guard validated == decoded.map(\.count) else {
            throw Disagreement("validate says \(validated), decode says \(decoded)")
        }
        guard case .success = decoded else {
            guard batch.isEmpty, batch.bytes.isEmpty else { throw Disagreement("a refused pack left something behind") }
            return false
        }
        if format == .json { try checkIsJSON(input) }
        try checkOrder(batch)
        if !batch.isEmpty {
            for format in SenMLFormat.allCases { try checkRoundTrip(batch, format) }
        }
        return true
    }

    private func validate(_ input: [UInt8]) -> Result<Int, SenMLError> {
        input.withUnsafeBytes { bytes in
            var decoder = SenMLDecoder()
            do throws(SenMLError) {
                return .success(try decoder.validate(bytes, format: format, receivedAt: Self.receivedAt))
            } catch {
                return .failure(error)
            }
        }
    }

    private func decode(
        _ input: [UInt8], _ format: SenMLFormat, into batch: inout SenMLBatch
    ) -> Result<Range<Int>, SenMLError> {
        input.withUnsafeBytes { bytes in
            var decoder = SenMLDecoder()
            do throws(SenMLError) {
                return .success(
                    try decoder.decode(bytes, format: format, receivedAt: Self.receivedAt, into: &batch))
            } catch {
                return .failure(error)
            }
        }
    }

    private func checkIsJSON(_ input: [UInt8]) throws(Disagreement) {
        let error = input.withUnsafeBytes { bytes -> JSONError? in
            do throws(JSONError) {
                try JSONValidator.validate(bytes)
                return nil
            } catch {
                return error
            }
        }
        if let error { throw Disagreement("accepted as SenML, refused as JSON: \(error)") }
    }

    private func checkOrder(_ batch: SenMLBatch) throws(Disagreement) {
        for (earlier, later) in zip(batch.records, batch.records.dropFirst())
        where (earlier.time, earlier.index) >= (later.time, later.index) {
            throw Disagreement("not in chronological order")
        }
    }

    private func checkRoundTrip(_ batch: SenMLBatch, _ format: SenMLFormat) throws(Disagreement) {
        // Times before 1978 are resolved, but would be read as relative ones.
        let measurements = batch.measurements.filter { $0.time >= SenMLDecoder.absoluteTimeThreshold }
        guard !measurements.isEmpty else { return }
        var buffer = ByteBuffer()
        do throws(SenMLError) {
            try SenMLEncoder.encode(measurements, format: format, into: &buffer)
        } catch {
            throw Disagreement("decoded, but not encoded again: \(error)")
        }
        var again = SenMLBatch()
        let decoded = decode(Array(buffer.readableBytesView), format, into: &again)
        guard case .success = decoded else { throw Disagreement("encoded as \(format), but refused: \(decoded)") }
        // Bit patterns through text: -0 and 0 are equal as numbers.
        guard String(describing: again.measurements) == String(describing: measurements) else {
            throw Disagreement("changed by encoding as \(format): \(measurements) became \(again.measurements)")
        }
    }
}
