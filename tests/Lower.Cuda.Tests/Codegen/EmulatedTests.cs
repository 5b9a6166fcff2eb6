using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>The text of kernels, run on the emulator: every operator, every operation on every type, odd shapes.</summary>
[Collection(EmulatorCollection.Name)]
public class EmulatedTests
{
    public static TheoryData<string> Nests() => TextTests.Names();

    [SkippableTheory]
    [MemberData(nameof(Nests))]
    public void KernelsOfTheGoldens(string name)
    {
        EmulatedLaunch.Require();
        var nest = TextTests.Nest(name);
        EmulatedProgram.Check(nest, RandomInputs(nest.Algorithm, 3));
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(255)]
    [InlineData(1024)]
    [InlineData(1027)]
    public void SymbolicExtents(long n)
    {
        EmulatedLaunch.Require();
        var nest = HandBuilt.SymbolicScale(1L << 24);
        var parameters = new Dictionary<string, long> { ["n"] = n };
        EmulatedProgram.Check(nest, RandomInputs(nest.Algorithm, 4, parameters), parameters);
    }

    public static TheoryData<string> Operators() => [.. OperatorLibrary.All.Select(o => o.Name)];

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void EveryOperator(string name)
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse(OperatorLibrary.Find(name)!.Example);
        EmulatedProgram.Check(NaiveKernels.Of(spec.Build()), spec.MakeInputs(5));
    }

    public static TheoryData<string> Types() => [.. Enum.GetValues<DType>().Select(t => t.Name())];

    [SkippableTheory]
    [MemberData(nameof(Types))]
    public void EveryOperationOfAType(string type)
    {
        EmulatedLaunch.Require();
        var dtype = Enum.GetValues<DType>().Single(t => t.Name() == type);
        foreach (var algorithm in Operations.Of(dtype, 60))
        {
            var inputs = RandomInputs(algorithm, 8);
            // Conversions of what does not fit have no specified result.
            bool edges = !(dtype.IsFloat() && algorithm.Name.StartsWith("casts", StringComparison.Ordinal));
            EmulatedProgram.Check(NaiveKernels.Of(algorithm), edges ? WithEdges(inputs) : inputs);
        }
    }

    internal static Dictionary<Algorithms.Buffer, NDArray> RandomInputs(
        Algorithm algorithm,
        int seed,
        IReadOnlyDictionary<string, long>? parameters = null
    )
    {
        var random = new Random(seed);
        return algorithm.Inputs.ToDictionary(
            b => b,
            b =>
            {
                long[] shape = [.. b.Shape.Select(e => e is IntImm i ? i.Value : parameters![((Var)e).Name])];
                var array = new NDArray(b.Type, shape);
                for (int i = 0; i < array.Length; i++)
                {
                    if (b.Type.IsFloat())
                        array.Doubles[i] = random.NextDouble() * 6 - 3;
                    else
                        array.Longs[i] = b.Type switch
                        {
                            DType.Bool => random.Next(2),
                            DType.UInt8 => random.Next(256),
                            DType.Int8 => random.Next(-128, 128),
                            DType.Int16 => random.Next(short.MinValue, short.MaxValue + 1),
                            DType.UInt32 => random.NextInt64(1L << 32),
                            DType.Int32 => random.NextInt64(int.MinValue, 1L << 31),
                            _ => random.NextInt64(-(1L << 40), 1L << 40),
                        };
                }
                return array;
            }
        );
    }

    /// <summary>Puts values at the edges of each type in front, each of one operand beside each of the other.</summary>
    private static Dictionary<Algorithms.Buffer, NDArray> WithEdges(Dictionary<Algorithms.Buffer, NDArray> inputs)
    {
        int number = 0;
        foreach (var (buffer, array) in inputs)
        {
            double[] floats = [0, -0.0, double.NaN, double.PositiveInfinity, double.NegativeInfinity, 1e-40];
            long[] integers = buffer.Type switch
            {
                DType.Int32 => [int.MinValue, int.MaxValue, -1, 0, 1, 7],
                DType.Int64 => [long.MinValue, long.MaxValue, -1, 0, 1, 7],
                DType.UInt32 => [0, uint.MaxValue, 1, 2, 1L << 31, 7],
                DType.UInt8 => [0, 255, 1, 2, 128, 7],
                DType.Int8 => [sbyte.MinValue, sbyte.MaxValue, -1, 0, 1, 7],
                DType.Int16 => [short.MinValue, short.MaxValue, -1, 0, 1, 7],
                _ => [0, 1, 0, 1, 0, 1],
            };
            for (int i = 0; i < 36; i++)
            {
                int which = number == 0 ? i / 6 : i % 6;
                if (buffer.Type.IsFloat())
                    array.Doubles[i] = floats[which];
                else
                    array.Longs[i] = integers[which];
            }
            number++;
        }
        return inputs;
    }
}
