-- The built-in providers. Their models and today's prices come with the server's first start, which reads the price catalogue.
INSERT INTO public.llm_providers (slug, kind, display_name, created_at, updated_at) VALUES
    ('openai', 'openai', 'OpenAI', now(), now()),
    ('anthropic', 'anthropic', 'Anthropic', now(), now()),
    ('google', 'google', 'Google', now(), now()),
    ('azure', 'azure', 'Azure OpenAI', now(), now()),
    ('huggingface', 'huggingface', 'Hugging Face', now(), now()),
    ('mistral', 'mistral', 'Mistral', now(), now()),
    ('deepseek', 'deepseek', 'DeepSeek', now(), now()),
    ('groq', 'groq', 'Groq', now(), now()),
    ('openrouter', 'openrouter', 'OpenRouter', now(), now()),
    ('together', 'together', 'Together AI', now(), now()),
    ('fireworks', 'fireworks', 'Fireworks AI', now(), now()),
    ('cohere', 'cohere', 'Cohere', now(), now()),
    ('matchaai', 'matchaai', 'MatchaAI', now(), now()),
    ('ollama', 'ollama', 'Ollama', now(), now()),
    ('vllm', 'vllm', 'vLLM', now(), now()),
    ('openai-compatible', 'openai-compatible', 'OpenAI-compatible', now(), now()),
    ('demo', 'demo', 'Demo', now(), now())
ON CONFLICT (slug) WHERE owner_id IS NULL DO NOTHING;
