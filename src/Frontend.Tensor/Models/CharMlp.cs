using System.Text;
using Picograd.Algorithms;

namespace Picograd.Models;

/// <summary>Sizes of a <see cref="CharMlp"/>.</summary>
/// <param name="Context">Characters seen.</param>
/// <param name="Embedding">Numbers a character is embedded in.</param>
/// <param name="Hidden">Units of each of the two hidden layers.</param>
/// <param name="Batch">Examples of a training step.</param>
public sealed record CharMlpOptions(int Context = 3, int Embedding = 10, int Hidden = 200, int Batch = 32);

/// <summary>
/// The neural language model of Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model" (JMLR 2003),
/// on characters: embedded context → two hidden layers with tanh, no biases → logits of the next character.
/// </summary>
public sealed class CharMlp : Module
{
    private readonly Embedding _table;
    private readonly Sequential _layers;

    public CharMlp(int vocabulary, CharMlpOptions? options = null, long seed = 0, DType dtype = DType.Float32)
    {
        Options = options ?? new CharMlpOptions();
        Vocabulary = vocabulary;
        var generator = new Generator(seed);
        int inputs = Options.Context * Options.Embedding;
        _table = Register("table", new Embedding(vocabulary, Options.Embedding, generator: generator, dtype: dtype));
        _layers = Register(
            "layers",
            new Sequential(
                new Flatten(),
                new Linear(inputs, Options.Hidden, bias: false, generator, dtype),
                new Tanh(),
                new Linear(Options.Hidden, Options.Hidden, bias: false, generator, dtype),
                new Tanh(),
                new Linear(Options.Hidden, vocabulary, bias: false, generator, dtype)
            )
        );
    }

    public CharMlpOptions Options { get; }

    public int Vocabulary { get; }

    /// <summary>Where the parameters are; examples are moved there.</summary>
    public Device Device => _table.Weight.Device;

    /// <summary>Logits [n, vocabulary] of contexts [n, context].</summary>
    public override Tensor Forward(Tensor x) => _layers.Call(_table.Call(x));

    /// <summary>
    /// The operator instances that one training step runs, as texts for tuning, each once: forward, derivatives, updates.
    /// </summary>
    public IReadOnlyList<string> StepSpecs()
    {
        int rows = Options.Batch;
        int inputs = Options.Context * Options.Embedding;
        int hidden = Options.Hidden;
        var specs = new List<string>
        {
            $"embedding vocab={Vocabulary} dim={Options.Embedding} rows={rows * Options.Context}",
        };
        foreach (var (n, k) in new[] { (hidden, inputs), (hidden, hidden), (Vocabulary, hidden) })
        {
            specs.Add($"matmul m={rows} n={n} k={k} tb=1");
            specs.Add($"matmul m={rows} n={k} k={n}");
            specs.Add($"matmul m={n} n={k} k={rows} ta=1");
            specs.Add($"sgd n={n * k}");
        }
        specs.Add($"tanh n={rows * hidden}");
        specs.Add($"tanh.adjoint n={rows * hidden}");
        specs.Add($"cross_entropy rows={rows} classes={Vocabulary}");
        specs.Add($"cross_entropy.adjoint rows={rows} classes={Vocabulary}");
        specs.Add($"embedding.adjoint vocab={Vocabulary} dim={Options.Embedding} rows={rows * Options.Context}");
        specs.Add($"sgd n={Vocabulary * Options.Embedding}");
        return [.. specs.Distinct()];
    }

    /// <summary>One training step on a batch; nothing made on the way stays alive.</summary>
    public void Step(Tensor contexts, Tensor targets, Optimizer optimizer)
    {
        using var scope = Tensor.Scope();
        var loss = F.CrossEntropy(Forward(contexts.ToDevice(Device)), targets.ToDevice(Device));
        optimizer.ZeroGrad();
        loss.Backward();
        optimizer.Step();
    }

    /// <summary>Mean negative log-likelihood of examples, in nats a character.</summary>
    public double Loss(CharExamples examples)
    {
        const int Chunk = 4096;
        using var off = Tensor.NoGrad();
        double total = 0;
        for (int start = 0; start < examples.Count; start += Chunk)
        {
            using var scope = Tensor.Scope();
            int count = Math.Min(Chunk, examples.Count - start);
            var (contexts, targets) = examples.Slice(start, count);
            total += F.CrossEntropy(Forward(contexts.ToDevice(Device)), targets.ToDevice(Device)).Item() * count;
        }
        return examples.Count == 0 ? double.NaN : total / examples.Count;
    }

    /// <summary>A new word, character by character; cut at <paramref name="maxLength"/>.</summary>
    public string Sample(CharDataset data, Generator generator, int maxLength = 40)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(generator);
        using var off = Tensor.NoGrad();
        var word = new StringBuilder();
        long[] window = new long[Options.Context];
        while (word.Length < maxLength)
        {
            using var scope = Tensor.Scope();
            var logits = Forward(Tensor.From<long>(window, [1, window.Length]).ToDevice(Device));
            long next = logits.Softmax(1).Multinomial(1, generator: generator).Item<long>();
            if (next == 0)
                break;
            word.Append(data.Character(next));
            window.AsSpan(1).CopyTo(window);
            window[^1] = next;
        }
        return word.ToString();
    }
}
