// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// SenML packs in another representation: the same measurements, and what was written once does not change by going there and back.
struct SenMLTranscoderTarget: FuzzTarget {
    /// 2026-01-01T00:00:00Z; any instant does.
    private static let receivedAt: Int64 = 1_767_225_600_000_000_000

    let from: SenMLFormat
    private var to: SenMLFormat { from == .json ? .cbor : .json }

    var name: String { from == .json ? "senml-json-to-cbor" : "senml-cbor-to-json" }

    private static let extended: [String] = [
        #"[{"n":"a","v":1,"x":{"y":[1,null,"z",{"é":-0.5}],"w":1e999},"ct":"60"}]"#,
        #"[{"bn":"b","bver":5,"x":[],"t":-1.00000000000000000001,"v":12345678901234567890123}]"#,
        #"[{"n":"c","v":-18446744073709551615,"ut":0.000000001,"long name of an extension":{}}]"#,
    ]

    var seeds: [[UInt8]] {
        let packs = (SenMLSamples.json + Self.extended).map { [UInt8]($0.utf8) }
        guard from == .cbor else { return packs }
        return packs.compactMap { Self.convert($0, from: .json, to: .cbor).success } + [SenMLSamples.rfcCBOR]
    }

    var dictionary: [[UInt8]] {
        from == .json
            ? SenMLSamples.jsonPieces
                + ["\"x\":[1,{}]", "18446744073709551615", "-18446744073709551616"].map { [UInt8]($0.utf8) }
            : SenMLSamples.cborPieces + [
                [0x61, 0x78], [0x61, 0x78, 0x81, 0xF6], [0xF7], [0x18, 0x20, 0x01], [0x41, 0x00],
            ]
    }

    func generate(_ random: inout SeededRandom) -> [UInt8] {
        guard from == .json else { return SenMLGenerator.cbor(&random) }
        var pack = SenMLGenerator.json(&random)
        guard random.oneIn(3), pack.suffix(2) == Array("}]".utf8)[...], pack.dropLast(2).last != UInt8(ascii: "{")
        else {
            return pack
        }
        pack.removeLast(2)
        return pack + Array(",\"x\":".utf8) + JSONTarget().generate(&random) + Array("}]".utf8)
    }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        let known = decode(input, from)
        switch (known, Self.convert(input, from: from, to: to)) {
        case (.failure(let decoding), .failure(let conversion)):
            guard decoding == conversion else {
                throw Disagreement("refused by the decoder as \(decoding), by the transcoder as \(conversion)")
            }
            return false
        case (.failure(let error), .success): throw Disagreement("the decoder refuses what was converted: \(error)")
        case (.success, .failure(let error)): throw Disagreement("the decoder accepts what was not converted: \(error)")
        case (.success(let measurements), .success(let converted)):
            try checkSame(measurements, converted, to)
            guard let back = Self.convert(converted, from: to, to: from).success else {
                throw Disagreement("not converted back: \(converted)")
            }
            try checkSame(measurements, back, from)
            let again = Self.convert(back, from: from, to: to)
            guard again == .success(converted) else {
                throw Disagreement("changed by going there and back: \(converted) became \(again)")
            }
            return true
        }
    }

    private func checkSame(
        _ measurements: [SenMLMeasurement], _ pack: [UInt8], _ format: SenMLFormat
    ) throws(Disagreement) {
        let decoded = decode(pack, format)
        // By text, so that -0 is not taken for 0.
        guard String(describing: decoded) == String(describing: Result<_, SenMLError>.success(measurements)) else {
            throw Disagreement("in \(format): \(measurements) became \(decoded)")
        }
    }

    private func decode(_ input: [UInt8], _ format: SenMLFormat) -> Result<[SenMLMeasurement], SenMLError> {
        var decoder = SenMLDecoder()
        var batch = SenMLBatch()
        do throws(SenMLError) {
            try decoder.decode(ByteBuffer(bytes: input), format: format, receivedAt: Self.receivedAt, into: &batch)
            return .success(batch.measurements)
        } catch {
            return .failure(error)
        }
    }

    private static func convert(
        _ input: [UInt8], from: SenMLFormat, to: SenMLFormat
    ) -> Result<[UInt8], SenMLError> {
        input.withUnsafeBytes { bytes in
            var transcoder = SenMLTranscoder()
            var buffer = ByteBuffer()
            do throws(SenMLError) {
                try transcoder.convert(bytes, from: from, to: to, into: &buffer)
                return .success(Array(buffer.readableBytesView))
            } catch {
                return .failure(error)
            }
        }
    }
}

extension Result {
    fileprivate var success: Success? {
        guard case .success(let value) = self else { return nil }
        return value
    }
}
