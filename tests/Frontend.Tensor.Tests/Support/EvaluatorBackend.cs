using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Tests;

/// <summary>
/// A back end that runs no generated code: kernels evaluate the algorithm in double precision. With it the front end is
/// tested apart from the compiler.
/// </summary>
internal sealed class EvaluatorBackend(int threads = 1) : IBackend
{
    public int Compiled { get; private set; }

    public TargetInfo Target { get; } =
        new("test", $"test;threads={threads}", 256, 16, threads, 32 << 10, 512 << 10, 8 << 20);

    public ICompiledKernel Compile(LoopNest nest)
    {
        Compiled++;
        return new Kernel(nest.Algorithm);
    }

    private sealed unsafe class Kernel(Algorithm algorithm) : ICompiledKernel
    {
        public long WorkspaceBytes => 0;

        public void Run(nint* arguments, long* parameters)
        {
            var inputs = new Dictionary<Buffer, NDArray>();
            int next = 0;
            foreach (var input in algorithm.Inputs)
                inputs.Add(input, Read(input, arguments[next++]));
            var results = Evaluator.Run(algorithm, inputs);
            foreach (var output in algorithm.Outputs)
                Write(results[output], output, arguments[next++]);
        }

        public void Dispose() { }

        private static NDArray Read(Buffer buffer, nint address)
        {
            long[] shape = [.. buffer.Shape.Select(e => ((IntImm)e).Value)];
            long count = shape.Aggregate(1L, (a, b) => a * b);
            double[] values = new double[count];
            long[] longs = new long[count];
            for (long i = 0; i < count; i++)
            {
                long at = OffsetOf(buffer, shape, i);
                var info = buffer.Type.Info();
                if (info.Kind == DTypeKind.Float)
                    values[i] = info.Read((void*)address, at);
                else
                    longs[i] = info.ReadBits((void*)address, at);
            }
            return buffer.Type.IsFloat()
                ? NDArray.Of(buffer.Type, shape, values)
                : NDArray.Of(buffer.Type, shape, longs);
        }

        // Where the element at a row-major position lies.
        private static long OffsetOf(Buffer buffer, long[] shape, long position)
        {
            if (buffer.Strides.IsDefault)
                return position;
            long at = 0;
            for (int d = shape.Length - 1; d >= 0; d--)
            {
                at += position % shape[d] * buffer.Strides[d];
                position /= shape[d];
            }
            return at;
        }

        private static void Write(NDArray value, Buffer buffer, nint address)
        {
            long[] shape = [.. value.Shape];
            for (int i = 0; i < value.Length; i++)
            {
                long at = OffsetOf(buffer, shape, i);
                var info = buffer.Type.Info();
                if (info.Kind == DTypeKind.Float)
                    info.Write((void*)address, at, value.Doubles[i]);
                else
                    info.WriteBits((void*)address, at, value.Longs[i]);
            }
        }
    }
}
