using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules.Gpu;
using Picograd.Search;
using Picograd.Search.Measurement;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Inputs made and outputs compared in memory that is not this process's: what kernels do there is what the host does, bit for
/// bit; little crosses; faults are found.
/// </summary>
public sealed unsafe class DeviceWorkTests
{
    // Read by this process when it first asks for CUDA.
    static DeviceWorkTests() => Environment.SetEnvironmentVariable(CudaLibraries.Variable, "emulated");

    /// <summary>This machine as a device, and the emulated GPU.</summary>
    private static ITuningTarget Target(string name)
    {
        if (name == "own")
            return new TargetWithOwnMemory(Machine.Cpu);
        Skip.IfNot(CudaEmulator.IsAvailable(out string? whyNot), whyNot ?? "");
        return new CudaTuningTarget(CudaDevice.Open());
    }

    private static DeviceWork Work(ITuningTarget target)
    {
        var work = DeviceWork.Of(target)!;
        work.LeastBytes = 0;
        return work;
    }

    private static NDArray Pattern(DType type, ReadOnlySpan<long> shape, int bits = 10)
    {
        var random = new Random(1);
        int count = 1 << bits;
        return type.IsFloat()
            ? NDArray.Pattern(
                type,
                shape,
                Enumerable.Range(0, count).Select(_ => (double)random.Next(-99, 99)).ToArray()
            )
            : NDArray.Pattern(
                type,
                shape,
                Enumerable.Range(0, count).Select(_ => (long)random.Next(type == DType.Bool ? 2 : 99)).ToArray()
            );
    }

    [SkippableTheory]
    [InlineData("own", 1, 2, 3, 4095, 1_000_003)]
    [InlineData("cuda", 1, 5, 1023, 4096)]
    public void Patterns_are_those_of_the_host(string name, params int[] lengths)
    {
        var target = Target(name);
        var work = Work(target);
        foreach (var type in Enum.GetValues<DType>())
        {
            foreach (int length in lengths)
            {
                var buffer = new Buffer("x", type, [length]);
                var pattern = Pattern(type, [length]);
                long bytes = TypedMemory.Bytes(buffer);
                var expected = new byte[bytes];
                var found = new byte[bytes + 8];
                nint memory = target.Allocate(bytes + 8);
                target.Fill(memory, 0xA5, bytes + 8);
                work.WritePattern(buffer, pattern, memory);
                fixed (byte* to = expected)
                    PatternMemory.Write(buffer, pattern, (nint)to);
                fixed (byte* to = found)
                    target.Read(memory, (nint)to, bytes + 8);
                target.Free(memory, bytes + 8);
                Assert.True(expected.AsSpan().SequenceEqual(found.AsSpan(0, (int)bytes)), $"{type}, {length} elements");
                Assert.All(found[(int)bytes..], b => Assert.Equal(0xA5, b));
            }
        }
    }

    [SkippableTheory]
    [InlineData("own", 1_000_003)]
    [InlineData("own", 7)]
    [InlineData("cuda", 20_003)]
    public void Digests_tell_every_change(string name, int bytes)
    {
        var target = Target(name);
        var work = Work(target);
        var data = new byte[bytes];
        new Random(2).NextBytes(data);
        nint memory = target.Allocate(bytes);
        ulong Digest()
        {
            fixed (byte* from = data)
                target.Write(memory, (nint)from, bytes);
            return work.Digest(memory, bytes);
        }

        ulong first = Digest();
        Assert.Equal(first, Digest());
        Assert.NotEqual(first, work.Digest(memory, bytes - 1));
        var seen = new HashSet<ulong> { first };
        foreach (int at in new[] { 0, 1, bytes / 2, bytes - 8, bytes - 1 }.Where(i => i >= 0).Distinct())
        {
            data[at] ^= 0x80;
            Assert.True(seen.Add(Digest()), $"byte {at}");
            data[at] ^= 0x80;
        }
        if (bytes >= 24)
        {
            // Words that change places.
            var words = MemoryMarshal.Cast<byte, ulong>(data.AsSpan(0, bytes / 8 * 8));
            (words[0], words[^1]) = (words[^1], words[0]);
            Assert.True(seen.Add(Digest()));
        }
        target.Free(memory, bytes);
    }

    [SkippableTheory]
    [InlineData("own", 300_007)]
    [InlineData("cuda", 9_001)]
    public void Differences_are_those_of_the_host(string name, int count)
    {
        var target = Target(name);
        var work = Work(target);
        foreach (var type in Enum.GetValues<DType>())
        {
            int size = type.Size();
            var one = new byte[count * size];
            fixed (byte* at = one)
                PatternMemory.Write(new Buffer("x", type, [count]), Pattern(type, [count]), (nint)at);
            var other = (byte[])one.Clone();
            Assert.Empty(Found(type, one, other));
            // Some differ: the last by the most.
            foreach (int place in new[] { 3, count / 3, count / 2, count - 1 })
                Set(
                    other,
                    type,
                    place,
                    type == DType.Bool ? 1 - Get(other, type, place)
                        : place == count - 1 ? 120
                        : place % 7
                );
            if (type.IsFloat())
            {
                Set(one, type, 17, double.NaN);
                Set(other, type, 17, double.NaN);
                Set(one, type, 18, double.NaN);
                Set(other, type, 19, double.PositiveInfinity);
                Set(one, type, 20, 0.0);
                Set(other, type, 20, 0.25);
            }
            IReadOnlyList<Difference> host;
            fixed (byte* a = one)
            fixed (byte* b = other)
                host = MemoryDifferences.Of(type, (nint)a, (nint)b, count);
            var device = Found(type, one, other);
            Assert.NotEmpty(device);
            Assert.Equal(host.Max(d => d.Absolute), device.Max(d => d.Absolute));
            Assert.Equal(host.Max(d => d.Relative), device.Max(d => d.Relative), 1e-12);
            // Each place that is named does differ, by as much as it says; the same places lead.
            foreach (var d in device)
            {
                double a = Get(one, type, d.Place);
                double b = Get(other, type, d.Place);
                Assert.False(a == b || double.IsNaN(a) && double.IsNaN(b));
                double gap = Math.Abs(a - b);
                if (d.Absolute > 0)
                    Assert.Equal(double.IsFinite(gap) ? gap : double.MaxValue, d.Absolute);
            }
            Assert.Equal(
                host.Where(d => d.Absolute == host.Max(h => h.Absolute)).Min(d => d.Place),
                device.Where(d => d.Absolute == host.Max(h => h.Absolute)).Min(d => d.Place)
            );
        }

        IReadOnlyList<Difference> Found(DType type, byte[] one, byte[] other)
        {
            long bytes = one.Length;
            nint a = target.Allocate(bytes);
            nint b = target.Allocate(bytes);
            fixed (byte* from = one)
                target.Write(a, (nint)from, bytes);
            fixed (byte* from = other)
                target.Write(b, (nint)from, bytes);
            var found = work.Differences(type, a, b, count);
            target.Free(a, bytes);
            target.Free(b, bytes);
            return found;
        }
    }

    private static double Get(byte[] memory, DType type, long place)
    {
        fixed (byte* at = memory)
            return TypedMemory.Read(type, (nint)at, place);
    }

    private static void Set(byte[] memory, DType type, int place, double value)
    {
        fixed (byte* at = memory)
        {
            var one = type.IsFloat() ? NDArray.Of(type, [1], [value]) : NDArray.Of(type, [1], [(long)value]);
            TypedMemory.Write(new Buffer("x", type, [1]), one, (nint)at + place * type.Size());
        }
    }

    [Theory]
    [InlineData("add n=4300001")]
    [InlineData("tanh n=8400003")]
    public void Certifying_moves_samples_only(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var target = new TargetWithOwnMemory(Machine.Cpu);
        DeviceWork.Of(target)!.LeastBytes = 1 << 20;
        var algorithm = spec.Build();
        long arguments = algorithm.Arguments.Sum(TypedMemory.Bytes);
        var nest = DefaultSchedule.For(algorithm, target.Target);
        var result = new Certifier(spec, target, 3, maxPoints: 1e4).Certify(nest);
        Assert.True(result.Ok, result.Detail);
        Assert.True(result.Detail.Contains("all elements beside those of another schedule"), result.Detail);
        // Tables of patterns and places in; samples, digests and guard zones out.
        long tables = (spec.CertificationKinds.Count() * 2L + 2) * algorithm.Inputs.Length * (1 << 18) * 4;
        Assert.InRange(target.BytesIn, 1, tables + (4 << 20));
        Assert.InRange(target.BytesOut, 1, arguments / 20);
        Assert.Equal(0, target.Held);
    }

    [Fact]
    public void Searching_moves_samples_only()
    {
        var task = new TuneTask(OperatorSpec.Parse("add n=16800001"), new TargetWithOwnMemory(Machine.Cpu));
        var target = (TargetWithOwnMemory)task.On;
        long length = TypedMemory.Bytes(task.Algorithm.Outputs[0]);
        Assert.True(length > DeviceWork.Of(target)!.LeastBytes);
        using (var runner = new InProcessRunner(task, 1))
        {
            var candidate = new Candidate(
                null,
                new Dictionary<string, long>(),
                DefaultSchedule.For(task.Algorithm, task.Target)
            );
            for (int i = 0; i < 3; i++)
                Assert.True(runner.Measure([candidate], double.PositiveInfinity, CancellationToken.None)[0].IsTimed);
        }
        Assert.InRange(target.BytesIn, 1, length / 8);
        Assert.InRange(target.BytesOut, 1, length / 10);
        Assert.Equal(0, target.Held);
    }

    [Theory]
    [InlineData("wrong", "{0} at row-major position 0")]
    [InlineData("speck", "{0} at row-major position 1720001")]
    [InlineData("overrun", "before the start of {0}")]
    [InlineData("unstable", "differ in bits")]
    [InlineData("spoils_input", "changed its input {1}")]
    public void Faults_in_the_devices_memory_are_found(string fault, string reason)
    {
        var spec = OperatorSpec.Parse("tanh n=4300001");
        var target = new TargetWithOwnMemory(Machine.Cpu);
        DeviceWork.Of(target)!.LeastBytes = 1 << 20;
        var algorithm = spec.Build();
        var s = new Schedule(DefaultSchedule.For(algorithm, target.Target));
        s.Apply(Step.Of("split", s.Nest.Loops.First().Name, "1").Yielding($"fault.{fault}", "rest"));
        var result = new Certifier(spec, target, 3, maxPoints: 1e4).Certify(s.Nest);
        Assert.False(result.Ok);
        Assert.Contains(
            string.Format(null, reason, algorithm.Outputs[0].Name, algorithm.Inputs[0].Name),
            result.Detail
        );
        Assert.Equal(0, target.Held);
    }

    [Theory]
    [InlineData(1 << 20, "all elements beside")]
    [InlineData(0, "there is no memory")]
    public void Outputs_are_compared_part_by_part_where_memory_is_short(int more, string note)
    {
        // 64 MiB of output are kept 16 at a time.
        var spec = OperatorSpec.Parse("relu n=16777216");
        var algorithm = spec.Build();
        var target = new TargetWithOwnMemory(Machine.Cpu);
        var nest = DefaultSchedule.For(algorithm, target.Target);
        using var memory = new ArgumentMemory(algorithm, target);
        var reference = new Reference(spec, InputKind.Normal, 1, 1e4);
        memory.SetInputs(reference.Inputs);
        using var kernel = target.Compile(nest);
        memory.PoisonOutputs();
        kernel.Run(memory.Addresses, null);
        Assert.Null(reference.Check(memory).Wrong);
        // Places of the sample, results of kernels.
        target.Room = target.Held + (more > 0 ? (17 << 20) + more : 8 << 20);
        var (wrong, said) = new IndependentCheck(spec, target).Run(kernel, nest, reference, memory);
        Assert.Null(wrong);
        Assert.Contains(note, said);
    }

    [Fact]
    public void A_speck_in_a_later_part_is_found()
    {
        var spec = OperatorSpec.Parse("relu n=16777216");
        var algorithm = spec.Build();
        var target = new TargetWithOwnMemory(Machine.Cpu);
        var s = new Schedule(DefaultSchedule.For(algorithm, target.Target));
        s.Apply(Step.Of("split", s.Nest.Loops.First().Name, "1").Yielding("fault.speck", "rest"));
        using var memory = new ArgumentMemory(algorithm, target);
        var reference = new Reference(spec, InputKind.Normal, 1, 1e4);
        memory.SetInputs(reference.Inputs);
        using var kernel = target.Compile(s.Nest);
        memory.PoisonOutputs();
        kernel.Run(memory.Addresses, null);
        var (wrong, _) = new IndependentCheck(spec, target) { MostKept = 20 << 20 }.Run(
            kernel,
            s.Nest,
            reference,
            memory
        );
        Assert.Contains($"at row-major position {16777216 * 2L / 5 + 1} ", wrong);
    }

    [SkippableTheory]
    [InlineData("own", "copy shape=300x211 strides=1,300")]
    [InlineData("own", "argmax rows=900 cols=70 axis=1")]
    [InlineData("own", "adam n=70001")]
    [InlineData("own", "index shape=501x7 dims=0 rows=5003")]
    [InlineData("cuda", "softmax rows=30 cols=21")]
    [InlineData("cuda", "adam n=701")]
    public void Small_operators_certify_where_everything_is_done_there(string name, string text)
    {
        var spec = OperatorSpec.Parse(text);
        var target = Target(name);
        Work(target);
        try
        {
            var nest = DefaultSchedule.For(spec.Build(), target.Backend.Target);
            var result = new Certifier(spec, target, 3, maxPoints: 2e3).Certify(nest);
            Assert.True(result.Ok, result.Detail);
        }
        finally
        {
            DeviceWork.Of(target)!.LeastBytes = 16 << 20;
        }
    }

    [SkippableTheory]
    [InlineData("host", DType.Float32)]
    [InlineData("own", DType.Float32)]
    [InlineData("own", DType.BFloat16)]
    [InlineData("own", DType.UInt8)]
    [InlineData("cuda", DType.Float32)]
    public void What_is_written_between_elements_is_found(string name, DType type)
    {
        var target = name == "host" ? Machine.Cpu : Target(name);
        if (name != "host")
            Work(target);
        try
        {
            var g = new AlgorithmBuilder("strided");
            var x = g.Input("x", type, 30, 7);
            var (i, j) = (new Axis("i", 30), new Axis("j", 7));
            var y = g.Stage("y", [i, j], x[i.Var, j.Var], strides: [1, 33]);
            var algorithm = g.Build(y);
            using var memory = new ArgumentMemory(algorithm, target);
            memory.SetInputs(new Dictionary<Buffer, NDArray> { [x] = new(type, 30, 7) });
            memory.PoisonOutputs();
            Assert.Null(memory.BrokenGap());
            var nest = DefaultSchedule.For(algorithm, target.Backend.Target);
            using (var kernel = target.Backend.Compile(nest))
                kernel.Run(memory.Addresses, null);
            Assert.Null(memory.BrokenGap());
            // Between the columns; then an element, which is none.
            byte one = 1;
            int size = type.Size();
            target.Write(memory.Addresses[1] + 29 * size, (nint)(&one), 1);
            Assert.Null(memory.BrokenGap());
            target.Write(memory.Addresses[1] + 31 * size, (nint)(&one), 1);
            Assert.Equal("wrote between the elements of y", memory.BrokenGap());
        }
        finally
        {
            if (DeviceWork.Of(target) is { } work)
                work.LeastBytes = 16 << 20;
        }
    }

    [SkippableTheory]
    [InlineData("sm_80")]
    [InlineData("sm_90a")]
    public void NVRTC_takes_every_kernel(string architecture)
    {
        var nvrtc = Nvrtc.TryLoad(out string? whyNot);
        Skip.If(nvrtc is null, whyNot ?? "");
        Skip.IfNot(nvrtc!.Supports(architecture), $"NVRTC {nvrtc.Version} does not compile for {architecture}");
        var backend = CudaBackend.CompileOnly(architecture == "sm_80" ? GpuInfo.A100 : GpuInfo.H200, nvrtc);
        var rule = new GpuPlainRule();
        foreach (var algorithm in All())
        {
            var compiled = backend.CompileText(
                rule.Apply(algorithm, backend.Target, rule.Defaults(algorithm, backend.Target))
            );
            Assert.True(compiled.Compiled.Succeeded, $"{algorithm}\n{compiled.Compiled.Log}");
            Assert.All(compiled.Compiled.Report.Kernels, k => Assert.InRange(k.SpillBytes, 0, 64));
        }
    }

    private static IEnumerable<Algorithm> All()
    {
        foreach (int size in new[] { 1, 2, 4, 8 })
            yield return MemoryAlgorithms.Pattern(size, 18);
        yield return MemoryAlgorithms.Digest();
        foreach (var type in Enum.GetValues<DType>())
        {
            yield return MemoryAlgorithms.Differences(type);
            yield return MemoryAlgorithms.Gather(type);
        }
        yield return MemoryAlgorithms.ZeroElements(new Buffer("x", DType.BFloat16, [30, 7], strides: [1, 33]));
    }
}
