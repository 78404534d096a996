// SPDX-License-Identifier: Apache-2.0
import BusService
import ServiceKit

@main struct Executable { static func main() async { await ServiceRunner.main(BusService.description) } }
