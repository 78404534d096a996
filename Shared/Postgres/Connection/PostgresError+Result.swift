// SPDX-License-Identifier: Apache-2.0
import CPQ

extension PostgresError {
    /// The server's error in a result; no text is interpreted.
    init(result: OpaquePointer) {
        // Field codes of PQresultErrorField; libpq defines them as character macros that Swift does not import.
        func field(_ code: Unicode.Scalar) -> String? {
            PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
        }
        guard let state = field("C") else {
            let message = PQresultErrorMessage(result).map { String(cString: $0).firstLine } ?? "connection lost"
            self.init(.connectionLost, message)
            return
        }
        self.init(
            .server(SQLState(rawValue: state)), field("M") ?? "no message", detail: field("D"), constraint: field("n"),
            table: field("t"), column: field("c"))
    }
}
