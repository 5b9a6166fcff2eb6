using System.Diagnostics;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Dispatch;

namespace Picograd.Tests;

/// <summary>
/// A program as a user writes one: a small GPT that learns sequences in which each number is the sum of the two before it, and
/// then goes on with prompts of growing length.
/// </summary>
internal static class Program
{
    private const int Vocabulary = 61;
    private const int Context = 32;
    private const int Batch = 8;

    // An operator of the program's own.
    private static readonly CustomOperator QuickGelu = CustomOperator.Elementwise(
        "quick_gelu",
        x => x * Op.Sigmoid(x * 1.702f)
    );

    private static bool s_own;

    private static int Main(string[] args)
    {
        // --steps N: of training; --lengths N: prompts; --fail: ends with an error; --forever: trains until it is ended;
        // --until-tuned N: trains until so many kernels run on tuned records, at most two minutes, and tells every second.
        // --own: with an operator of its own; --small: a smaller model.
        s_own = args.Contains("--own");
        int steps = Number(args, "--steps", 40);
        var model = args.Contains("--small")
            ? new Gpt(Vocabulary, Context, width: 16, heads: 1, layers: 1, new Generator(1))
            : new Gpt(Vocabulary, Context, width: 64, heads: 4, layers: 2, new Generator(1));
        var optimizer = new Adam(model.Parameters, lr: 3e-3);
        double first = double.NaN;
        double last = double.NaN;
        int tuned = Number(args, "--until-tuned", 0);
        var watch = new Watch(tuned);
        for (int step = 1; step <= steps || args.Contains("--forever") || watch.GoesOn(); step++)
        {
            using var scope = Tensor.Scope();
            var sequences = Sequences(step);
            var logits = model.Forward(sequences[.., ..^1]);
            var loss = F.CrossEntropy(logits.Reshape(-1, Vocabulary), sequences[.., 1..].Reshape(-1));
            optimizer.ZeroGrad();
            loss.Backward();
            optimizer.Step();
            last = loss.Item();
            first = step == 1 ? last : first;
            if (step == 3)
                Console.WriteLine("under way");
        }
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"loss {first:F2} before, {last:F2} after {steps} steps")
        );
        if (tuned > 0)
            Console.WriteLine($"{Dispatcher.Statistics.Exact} tuned in the end");
        using (Tensor.NoGrad())
        {
            for (int length = 1; length <= Number(args, "--lengths", 0); length++)
            {
                using var scope = Tensor.Scope();
                model.Forward(Tensor.Zeros([1, length], DType.Int64));
            }
        }
        return args.Contains("--fail") ? 3 : 0;
    }

    // [batch, context + 1]
    private static Tensor Sequences(int seed)
    {
        var random = new Random(seed);
        long[] values = new long[Batch * (Context + 1)];
        for (int i = 0; i < values.Length; i++)
        {
            int place = i % (Context + 1);
            values[i] = place < 2 ? random.Next(Vocabulary) : (values[i - 1] + values[i - 2]) % Vocabulary;
        }
        return Tensor.From<long>(values, [Batch, Context + 1]);
    }

    private sealed class Watch(int tuned)
    {
        private readonly long _began = Stopwatch.GetTimestamp();
        private double _told;
        private int _steps;
        private double _longest;
        private double _last;

        public bool GoesOn()
        {
            double now = Stopwatch.GetElapsedTime(_began).TotalSeconds;
            int exact = Dispatcher.Statistics.Exact;
            if (_last > 0)
                _longest = Math.Max(_longest, now - _last);
            _last = now;
            _steps++;
            if (tuned > 0 && now - _told >= 1)
            {
                Console.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{now:F1} s: {_steps / (now - _told):F1} steps/s, longest {1000 * _longest:F1} ms, {exact} tuned"
                    )
                );
                (_told, _steps, _longest) = (now, 0, 0);
            }
            return exact < tuned && now < 120;
        }
    }

    private static int Number(string[] args, string name, int standard)
    {
        int at = Array.IndexOf(args, name);
        return at < 0 ? standard : int.Parse(args[at + 1], CultureInfo.InvariantCulture);
    }

    private sealed class Gpt : Module
    {
        private readonly Embedding _tokens;
        private readonly Embedding _places;
        private readonly List<Block> _blocks;
        private readonly Linear _head;

        public Gpt(int vocabulary, int context, int width, int heads, int layers, Generator generator)
        {
            _tokens = new Embedding(vocabulary, width, generator: generator);
            _places = new Embedding(context, width, generator: generator);
            _blocks = [.. Enumerable.Range(0, layers).Select(_ => new Block(width, heads, generator))];
            _head = new Linear(width, vocabulary, bias: false, generator);
        }

        // x: [batch, length] of tokens; gives [batch, length, vocabulary].
        public override Tensor Forward(Tensor x)
        {
            var y = _tokens.Forward(x) + _places.Forward(Tensor.Arange(x.Size(1)));
            foreach (var block in _blocks)
                y = block.Forward(y);
            return _head.Forward(Norm(y));
        }
    }

    private sealed class Block(int width, int heads, Generator generator) : Module
    {
        private readonly Linear _qkv = new(width, 3 * width, generator: generator);
        private readonly Linear _out = new(width, width, generator: generator);
        private readonly Linear _up = new(width, 4 * width, generator: generator);
        private readonly Linear _down = new(4 * width, width, generator: generator);

        public override Tensor Forward(Tensor x)
        {
            var (batch, length) = (x.Size(0), x.Size(1));
            // [3, batch, heads, length, width of a head]
            var qkv = _qkv.Forward(Norm(x)).Reshape(batch, length, 3, heads, width / heads).Permute(2, 0, 3, 1, 4);
            var mixed = F.ScaledDotProductAttention(qkv[0], qkv[1], qkv[2], isCausal: true)
                .Transpose(1, 2)
                .Reshape(batch, length, width);
            var y = x + _out.Forward(mixed);
            var hidden = _up.Forward(Norm(y));
            return y + _down.Forward(s_own ? QuickGelu.Call(hidden) : hidden.Gelu());
        }
    }

    // Root mean square over the last dimension, without a weight.
    private static Tensor Norm(Tensor x) => x * (x.Square().Mean(-1, keepdim: true) + 1e-5).Rsqrt();
}
