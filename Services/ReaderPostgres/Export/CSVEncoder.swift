// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation

/// Comma-separated values by RFC 4180: a header, lines that end with CR LF, quotes where a field needs them. What a message does not have is an empty
/// field, and an empty text is `""`.
struct CSVEncoder: ExportEncoder {
    let format: MessageFilter.Format
    let unit: TimeUnit

    func begin(_ output: inout [UInt8]) {
        switch format {
        case .messages:
            output +=
                "time,name,unit,value,string_value,bool_value,data_value,sum,update_time,subtopic,publisher,protocol\r\n"
                .utf8
        case .json: output += "created,subtopic,publisher,protocol,payload\r\n".utf8
        case .blobs: output += "created,subtopic,publisher,protocol,content_type,payload\r\n".utf8
        }
    }

    func append(_ messages: [StoredMessage], to output: inout [UInt8]) {
        for message in messages {
            unit.write(message.position.time, to: &output)
            switch message.content {
            case .senml(let record):
                append(record, to: &output)
                appendOrigin(of: message, to: &output)
            case .json(let text):
                appendOrigin(of: message, to: &output)
                append(text, to: &output)
            case .blob(let contentType, let bytes):
                appendOrigin(of: message, to: &output)
                append(contentType, to: &output)
                append(Data(bytes).base64EncodedString(), to: &output)
            }
            output += "\r\n".utf8
        }
    }

    func end(_ output: inout [UInt8]) {}

    private func append(_ record: StoredMessage.Record, to output: inout [UInt8]) {
        append(record.name, to: &output)
        append(record.unit, to: &output)
        append(record.value, to: &output)
        append(record.stringValue, to: &output)
        append(record.boolValue.map { $0 ? "true" : "false" }, to: &output)
        append(record.dataValue?.base64url, to: &output)
        append(record.sum, to: &output)
        append(record.updateTime.map { $0 * unit.perSecond }, to: &output)
    }

    private func appendOrigin(of message: StoredMessage, to output: inout [UInt8]) {
        append(message.subtopic, to: &output)
        append(message.publisher.description, to: &output)
        append(message.transport, to: &output)
    }

    private func append(_ number: Double?, to output: inout [UInt8]) {
        output.append(UInt8(ascii: ","))
        if let number { JSONWriter.append(number, to: &output) }
    }

    private func append(_ text: String?, to output: inout [UInt8]) {
        output.append(UInt8(ascii: ","))
        guard let text else { return }
        let needsQuotes = text.isEmpty || text.utf8.contains { Self.special.contains($0) }
        guard needsQuotes else {
            output += text.utf8
            return
        }
        output.append(Self.quote)
        for byte in text.utf8 {
            if byte == Self.quote { output.append(byte) }
            output.append(byte)
        }
        output.append(Self.quote)
    }

    private static let quote = UInt8(ascii: "\"")
    private static let special: Set<UInt8> = [quote, UInt8(ascii: ","), UInt8(ascii: "\r"), UInt8(ascii: "\n")]
}
