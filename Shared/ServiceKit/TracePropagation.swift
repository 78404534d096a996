// SPDX-License-Identifier: Apache-2.0
import Bus
import Observability

extension BusHeaders {
    /// Headers that carry the running task's trace in a new span.
    public static func traced(messageID: String? = nil) -> BusHeaders {
        BusHeaders(messageID: messageID, traceparent: TraceContext.current?.child().traceparent)
    }

    /// The trace to go on with for a received message; a new one when there is none or it is not valid.
    public var trace: TraceContext { TraceContext.continuing(traceparent) }
}
