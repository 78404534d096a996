// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres
import TestKit

/// What the database holds, asked without any part of the product.
extension Stack {
    /// Count and sum of every SenML name on a channel.
    func storedTotals(_ channel: ChannelID) async throws -> [String: AirQualityData.Total] {
        let rows = try await database.execute(
            "SELECT name, count(*), sum(value) FROM messages.senml WHERE channel = \(channel) GROUP BY name")
        var totals: [String: AirQualityData.Total] = [:]
        for row in rows {
            let (name, count, sum) = try row.decode((String, Int64, Double).self)
            totals[name] = AirQualityData.Total(count: Int(count), sum: sum)
        }
        return totals
    }

    /// How many SenML records there are.
    func storedRecords() async throws -> Int {
        let rows = try await database.execute("SELECT count(*) FROM messages.senml")
        return try rows.first.map { Int(try $0.decode(Int64.self, at: 0)) } ?? 0
    }
}
