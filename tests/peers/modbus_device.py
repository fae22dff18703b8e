"""A Modbus TCP device on pymodbus. Its numbers move with every request that reads them.

Holding registers: 0 a counter, 2..3 a float32 that is 20 + counter / 8, 4 the int16 -5, 10..13 the
text PUMP-A. Input registers: 0..3 the int64 2^53 + 1. Coil 0 is the counter's lowest bit, discrete
input 1 is set. All other addresses are illegal.
"""

import asyncio
import struct
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

READ_COILS = 1
READ_HOLDING = 3


class Counter:
    """Counts requests, and puts what follows from that into the registers."""

    def __init__(self):
        self.count = 0

    async def on_read(self, function, start, _address, _count, registers, written):
        """Called by the server before it answers."""
        if written is not None:
            return None
        if function == READ_HOLDING:
            self.count += 1
            registers[0 - start] = self.count % 65_536
            registers[2 - start : 4 - start] = words(">f", 20 + self.count / 8)
        elif function == READ_COILS:
            registers[0 - start] = self.count % 2
        return None


def words(layout, value):
    """The value in registers, the most significant first."""
    data = struct.pack(layout, value)
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


async def main():
    registers = DataType.REGISTERS
    holding = [
        SimData(0, values=[0, 0, 0, 0, 65_536 - 5], datatype=registers),
        SimData(10, values=words("8s", b"PUMP-A"), datatype=registers),
    ]
    inputs = [SimData(0, values=words(">q", 2**53 + 1), datatype=registers)]
    coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    discrete = [SimData(0, values=[False, True] + [False] * 14, datatype=DataType.BITS)]
    device = SimDevice(1, simdata=(coils, discrete, holding, inputs), action=Counter().on_read)
    server = ModbusTcpServer(device, address=("127.0.0.1", int(sys.argv[1])))
    await server.listen()
    print("listening", flush=True)
    await server.serving


asyncio.run(main())
