// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Observability

/// Comma-separated values by RFC 4180: a header, lines that end with CR LF, quotes where a field needs them.
enum JournalCSV {
    static let header =
        "occurred_at,last_occurred_at,count,result,operation,entity,entities,user_id,domain_id,address,status,reason,service,request_id,"
        + "session_id,credential,id\r\n"

    static func append(_ entry: JournalEntry, to output: inout [UInt8]) {
        let fields: [String?] = [
            Timestamp.rfc3339(entry.at), entry.until.map(Timestamp.rfc3339), String(entry.count), entry.result.rawValue,
            entry.operation, entry.entity, entry.entities.map(\.description).joined(separator: " "),
            entry.actor?.description, entry.domain?.description, entry.origin?.address, entry.status.map(String.init),
            entry.reason, entry.service, entry.origin?.request, entry.origin?.session?.description,
            entry.origin?.isKey.map { $0 ? "key" : "session" }, entry.id.description,
        ]
        for (index, field) in fields.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            append(field ?? "", to: &output)
        }
        output += "\r\n".utf8
    }

    private static func append(_ field: String, to output: inout [UInt8]) {
        guard field.utf8.contains(where: special.contains) else {
            output += field.utf8
            return
        }
        output.append(quote)
        for byte in field.utf8 {
            if byte == quote { output.append(byte) }
            output.append(byte)
        }
        output.append(quote)
    }

    private static let quote = UInt8(ascii: "\"")
    private static let special: Set<UInt8> = [quote, UInt8(ascii: ","), UInt8(ascii: "\r"), UInt8(ascii: "\n")]
}
